// An alarm's life by the SDK over RPC v2 CBOR, as SDKs of Go and Terraform's provider speak it; prints what was seen.
import {
  CloudWatchClient,
  DeleteAlarmsCommand,
  DescribeAlarmHistoryCommand,
  DescribeAlarmsCommand,
  GetMetricDataCommand,
  PutMetricAlarmCommand,
  PutMetricDataCommand,
  SetAlarmStateCommand,
} from "@aws-sdk/client-cloudwatch";
import { AwsSmithyRpcV2CborProtocol } from "@aws-sdk/core/protocols";

const cloudwatch = new CloudWatchClient({ protocol: AwsSmithyRpcV2CborProtocol });
const forms = new Set();
const note = (next) => async (call) => {
  const answer = await next(call);
  forms.add(`${call.request.headers["smithy-protocol"]} ${answer.response.headers["smithy-protocol"]}`);
  return answer;
};
cloudwatch.middlewareStack.add(note, { step: "finalizeRequest", priority: "low" });

const metric = { Namespace: "Audit", MetricName: "Deletions" };
await cloudwatch.send(
  new PutMetricDataCommand({ Namespace: "Audit", MetricData: [{ MetricName: "Deletions", Value: 3, Unit: "Count" }] }),
);
const neverJudged = { Unit: "Percent", TreatMissingData: "ignore" };
const alarm = { AlarmName: "deletions", Statistic: "Sum", Period: 60, EvaluationPeriods: 1, Threshold: 1.5 };
await cloudwatch.send(
  new PutMetricAlarmCommand({ ...metric, ...alarm, ComparisonOperator: "GreaterThanThreshold", ...neverJudged }),
);
await cloudwatch.send(new SetAlarmStateCommand({ AlarmName: "deletions", StateValue: "OK", StateReason: "by hand" }));
const [shown] = (await cloudwatch.send(new DescribeAlarmsCommand({ AlarmNames: ["deletions"] }))).MetricAlarms;
const history = await cloudwatch.send(new DescribeAlarmHistoryCommand({ AlarmName: "deletions" }));
const now = Date.now();
const [series] = (
  await cloudwatch.send(
    new GetMetricDataCommand({
      StartTime: new Date(now - 600_000),
      EndTime: new Date(now + 60_000),
      MetricDataQueries: [{ Id: "m", MetricStat: { Metric: metric, Period: 60, Stat: "Sum" } }],
    }),
  )
).MetricDataResults;
const refused = await cloudwatch
  .send(new SetAlarmStateCommand({ AlarmName: "missing", StateValue: "OK", StateReason: "by hand" }))
  .catch((error) => [error.name, error.$metadata.httpStatusCode]);
await cloudwatch.send(new DeleteAlarmsCommand({ AlarmNames: ["deletions"] }));
const left = (await cloudwatch.send(new DescribeAlarmsCommand({}))).MetricAlarms.length;
console.log(
  JSON.stringify({
    alarm: [shown.StateValue, shown.StateReason, shown.Threshold, shown.StateUpdatedTimestamp instanceof Date],
    history: history.AlarmHistoryItems.map((item) => item.HistoryItemType),
    series: [series.Values, series.Timestamps.every((moment) => moment instanceof Date), series.StatusCode],
    refused,
    left,
    forms: [...forms],
  }),
);
