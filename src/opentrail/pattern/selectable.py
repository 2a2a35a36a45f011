"""What data and network activity selectors may name: resource types and event sources, as data.

AWS adds to both lists monthly; a new name is one more word here (reference: events, sections 11 and 12).
"""

BASIC_RESOURCE_TYPES = ("AWS::DynamoDB::Table", "AWS::Lambda::Function", "AWS::S3::Object")
"""What the DataResources of a basic selector may name, in the order of CloudTrail's error message."""

EXCLUDABLE_EVENT_SOURCES = ("kms.amazonaws.com", "rdsdata.amazonaws.com")
"""The management event sources that a basic selector may leave out, as CloudTrail has it."""

_TYPES_BY_NAMESPACE = {
    "AgentAccessMCP": "Tools",
    "AgentRegistry": "Registry",
    "AIDevOps": "AgentSpace Association OperatorAppTeam PipelineMetadata Service",
    "AIOps": "InvestigationGroup",
    "AOSS": "Collection",
    "AppConfig": "Configuration",
    "ApplicationSignals": "InstrumentationConfig",
    "AppSync": "GraphQLApi",
    "AWSExternalAnthropic": "Workspace",
    "B2BI": "Transformer",
    "Backup": "BackupAccessPoint SearchJob",
    "Bedrock": (
        "AdvancedOptimizePromptJob AgentAlias AsyncInvoke AutomatedReasoningPolicy AutomatedReasoningPolicyVersion "
        "Blueprint DataAutomationInvocation DataAutomationProfile DataAutomationProject FlowAlias FlowExecution "
        "Guardrail InlineAgent KnowledgeBase Model PromptVersion Session Tool"
    ),
    "BedrockAgentCore": (
        "ABTest APIKeyCredentialProvider BatchEvaluate Browser BrowserCustom BrowserProfile CapacityProvider "
        "CodeInterpreter CodeInterpreterCustom Evaluator Gateway Memory OAuth2CredentialProvider Payments Policy "
        "PolicyEngine Recommendation Registry Runtime RuntimeEndpoint TokenVault WorkloadIdentity "
        "WorkloadIdentityDirectory"
    ),
    "BedrockMantle": "Project",
    "BedrockWebSearch": "Tool",
    "Cassandra": "Stream Table",
    "CertificateManager": "AcmeEndpoint",
    "ClinicalTrialsTech": "Codelist Dataset Execution Instance Mapping Schedule Study",
    "CloudFront": "KeyValueStore",
    "CloudOptimization": "Profile Recommendation",
    "CloudTrail": "Channel",
    "CloudWatch": "Dataset IngestionEndpoint Metric",
    "CodeGuruProfiler": "ProfilingGroup",
    "CodeWhisperer": "Customization Profile",
    "Cognito": "IdentityPool",
    "DataExchange": "Asset",
    "Deadline": "Fleet Job Queue Worker",
    "DiodeAlerting": "LinkedAlert",
    "DSQL": "Cluster",
    "DynamoDB": "Stream Table",
    "EC2": "InstanceConnectEndpoint Snapshot",
    "ECS": "ContainerInstance",
    "EKS": "Dashboard",
    "EMRWAL": "Workspace",
    "Events": "Endpoint EventBus EventSource Rule",
    "FinSpace": "Environment",
    "FSx": "Volume",
    "GameLiftStreams": "Application StreamGroup",
    "GeoMaps": "Provider",
    "GeoPlaces": "Provider",
    "GeoRoutes": "Provider",
    "Glue": "Table",
    "GreengrassV2": "ComponentVersion Deployment",
    "GuardDuty": "Detector MalwareScan",
    "HealthAgent": "Domain Integration PatientInsightsJob Session Subscription",
    "HealthLake": "DataTransformationProfile",
    "IoT": "Certificate Thing Tunnel",
    "IoTSiteWise": "Asset Dataset Pipeline TimeSeries Workspace",
    "IoTTwinMaker": "Entity Workspace",
    "KendraRanking": "ExecutionPlan",
    "Kinesis": "Stream StreamConsumer",
    "KinesisFirehose": "DeliveryStream",
    "KinesisVideo": "SignalingChannel Stream",
    "Lambda": "Function MicrovmImage",
    "Lex": "Bot BotAlias",
    "Logs": "LogGroupAuthorization ScheduledQuery",
    "MachineLearning": "MlModel",
    "ManagedBlockchain": "Network Node",
    "ManagedBlockchainQuery": "QueryAPI",
    "MedicalImaging": "Datastore Imageset",
    "MWAA": "Environment",
    "NeptuneGraph": "Graph",
    "NetworkFlowMonitor": "Monitor Scope",
    "NovaAct": "WorkflowDefinition WorkflowRun",
    "One": "UKey User",
    "PaymentCryptography": "Alias Key",
    "PCAConnectorAD": "Connector",
    "PCAConnectorSCEP": "Connector",
    "Pinpoint": "App",
    "QApps": "QApp QAppSession",
    "QBusiness": "Application DataSource Index Integration WebExperience",
    "QDeveloper": "Integration",
    "Quicksight": "ActionConnector",
    "QuickSight": "App Automation AutomationJob Extension ExtensionAccess Flow FlowSession Page Task",
    "RDS": "DBCluster",
    "Redshift": "Cluster",
    "ResourceExplorer2": "ManagedView View",
    "RUM": "AppMonitor",
    "S3": "AccessPoint Object",
    "S3Express": "AccessPoint Object",
    "S3ObjectLambda": "AccessPoint",
    "S3Outposts": "Object",
    "S3Tables": "Table TableBucket",
    "S3Vectors": "Index VectorBucket",
    "SageMaker": (
        "Endpoint ExperimentTrialComponent FeatureGroup Hub Job MlflowApp MlflowTrackingServer TrainingSession"
    ),
    "SCN": (
        "BusinessRule DataLakeException ExceptionInvestigation ExceptionRule Instance Metric MetricEvaluation "
        "Outcome OutcomeTemplate"
    ),
    "SDB": "Domain",
    "ServiceDiscovery": "Namespace Service",
    "SES": "ConfigurationSet EmailIdentity Template",
    "Signer": "SigningJob SigningProfile",
    "SitewiseAssistant": "Conversation",
    "SMSVoice": "CarrierLookup ConfigurationSet Message NotifyConfiguration OriginationIdentity",
    "SNS": "PlatformEndpoint Topic",
    "SocialMessaging": "PhoneNumberId WabaId",
    "SQS": "Queue",
    "SSM": "ExecutionPreview ManagedNode",
    "SSMMessages": "ControlChannel",
    "StepFunctions": "Activity StateMachine",
    "SupportAccess": "Tenant TrustingAccount TrustingRole",
    "SWF": "Domain",
    "ThinClient": "Device Environment",
    "Timestream": "Database RegionalEndpoint Table",
    "Transform": "AgentInstance Profile",
    "TransformCustom": "Campaign Conversation KnowledgeItem Package",
    "UXC": "AccountCustomization",
    "VerifiedPermissions": "PolicyStore",
    "WellArchitected": "AgentRecommendation",
    "XRay": "Trace",
}

DATA_RESOURCE_TYPES = frozenset(
    f"AWS::{namespace}::{name}" for namespace, names in _TYPES_BY_NAMESPACE.items() for name in names.split()
)
"""What ``resources.type`` of an advanced data selector may equal."""

_NETWORK_ACTIVITY_SERVICES = """
aco-automation appconfig application-signals appmesh athena b2bi backup-gateway bcm-data-exports bcm-pricing-
calculator bedrock bedrock-agentcore billing cassandra ce cloudcontrolapi cloudformation cloudhsm
cloudoptimization cloudtrail codedeploy comprehend comprehendmedical config ds dynamodb ec2 ecs
elasticfilesystem elasticloadbalancing email events firehose frauddetector freetier fsx glue healthlake
identitystore invoicing iot iotfleetwise iotsecuredtunneling kms lakeformation lambda license-manager
lookoutequipment lookoutvision monitoring nova-act personalize qbusiness rds rekognition rolesanywhere route53
s3 sagemaker scheduler secretsmanager servicediscovery ses signin sns sqs ssm ssm-contacts storagegateway sts
swf textract transcribe transcribestreaming transfer transform transform-agents transform-custom translate user-
subscriptions verifiedpermissions voiceid workmail workmailmessageflow
"""

NETWORK_ACTIVITY_EVENT_SOURCES = frozenset(f"{name}.amazonaws.com" for name in _NETWORK_ACTIVITY_SERVICES.split())
"""What ``eventSource`` of a network activity selector may equal."""
