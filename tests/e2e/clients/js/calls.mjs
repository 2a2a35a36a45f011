// What the tests ask the JavaScript SDK to do: `node calls.mjs SCENARIO`, a JSON object of what came back on standard
// output. Clients are made as users make them: nothing is set but what the environment says, and path style for S3.
import { createHash, randomBytes } from "node:crypto";
import { Readable } from "node:stream";

import {
  BedrockRuntimeClient, ConverseStreamCommand, InvokeModelWithBidirectionalStreamCommand,
  InvokeModelWithResponseStreamCommand,
} from "@aws-sdk/client-bedrock-runtime";
import { CloudTrailClient, DescribeTrailsCommand, LookupEventsCommand } from "@aws-sdk/client-cloudtrail";
import { CloudWatchClient, ListMetricsCommand } from "@aws-sdk/client-cloudwatch";
import { CloudWatchLogsClient, CreateLogGroupCommand } from "@aws-sdk/client-cloudwatch-logs";
import { CreateTableCommand, DynamoDBClient, GetItemCommand, PutItemCommand } from "@aws-sdk/client-dynamodb";
import { CreateUserCommand, IAMClient } from "@aws-sdk/client-iam";
import {
  CreateStreamCommand, DescribeStreamCommand, GetRecordsCommand, GetShardIteratorCommand, KinesisClient,
  ListShardsCommand, PutRecordCommand, SubscribeToShardCommand,
} from "@aws-sdk/client-kinesis";
import { InvokeWithResponseStreamCommand, LambdaClient } from "@aws-sdk/client-lambda";
import {
  CreateBucketCommand, DeleteObjectCommand, DeleteObjectsCommand, GetObjectCommand, HeadObjectCommand,
  ListObjectsV2Command, PutObjectCommand, S3Client, SelectObjectContentCommand,
} from "@aws-sdk/client-s3";
import { CreateSecretCommand, SecretsManagerClient } from "@aws-sdk/client-secrets-manager";
import { CreateQueueCommand, SendMessageCommand, SQSClient } from "@aws-sdk/client-sqs";
import { GetCallerIdentityCommand, STSClient } from "@aws-sdk/client-sts";
import { Upload } from "@aws-sdk/lib-storage";
import { getSignedUrl } from "@aws-sdk/s3-request-presigner";
import { NodeHttpHandler } from "@smithy/node-http-handler";

const MIB = 1024 * 1024;
const s3 = () => new S3Client({ forcePathStyle: true });
const sha256 = (bytes) => createHash("sha256").update(bytes).digest("hex");
const collect = async (stream) => Buffer.from(await stream.transformToByteArray());

async function outcome(work) {
  try {
    await work;
    return "";
  } catch (error) {
    return `${error.$metadata?.httpStatusCode} ${error.name}`;
  }
}

async function objects() {
  const client = s3();
  const Bucket = "js-objects";
  await client.send(new CreateBucketCommand({ Bucket }));
  const small = randomBytes(70_001);
  await client.send(new PutObjectCommand({ Bucket, Key: "held/é ü+&.bin", Body: small }));
  const streamed = randomBytes(3 * MIB + 5);
  const pieces = Array.from({ length: 49 }, (_, n) => streamed.subarray(n * 65_537, (n + 1) * 65_537));
  await client.send(new PutObjectCommand({
    Bucket, Key: "streamed", Body: Readable.from(pieces), ContentLength: streamed.length, ChecksumAlgorithm: "SHA256",
  }));
  const large = randomBytes(13 * MIB + 3);
  await new Upload({ client, params: { Bucket, Key: "large", Body: Readable.from([large]) }, partSize: 5 * MIB }).done();
  const hashes = {};
  for (const Key of ["held/é ü+&.bin", "streamed", "large"]) {
    hashes[Key] = sha256(await collect((await client.send(new GetObjectCommand({ Bucket, Key }))).Body));
  }
  const range = await client.send(new GetObjectCommand({ Bucket, Key: "large", Range: "bytes=100-199" }));
  const rangeBytes = await collect(range.Body);
  const head = await client.send(new HeadObjectCommand({ Bucket, Key: "streamed" }));
  const notModified = await outcome(
    client.send(new GetObjectCommand({ Bucket, Key: "streamed", IfNoneMatch: head.ETag })));
  const missing = await outcome(client.send(new GetObjectCommand({ Bucket, Key: "missing" })));
  const listed = await client.send(new ListObjectsV2Command({ Bucket }));
  await client.send(new DeleteObjectsCommand({ Bucket, Delete: { Objects: [{ Key: "large" }] } }));
  await client.send(new DeleteObjectCommand({ Bucket, Key: "streamed" }));
  return {
    sent: { "held/é ü+&.bin": sha256(small), streamed: sha256(streamed), large: sha256(large) },
    hashes,
    range: [range.ContentRange, sha256(rangeBytes) === sha256(large.subarray(100, 200))],
    headLength: head.ContentLength,
    notModified,
    missing,
    listed: listed.Contents.map((item) => item.Key),
  };
}

async function presigned() {
  const client = s3();
  const Bucket = "js-presigned";
  await client.send(new CreateBucketCommand({ Bucket }));
  const put = await getSignedUrl(client, new PutObjectCommand({ Bucket, Key: "note" }), { expiresIn: 300 });
  const body = randomBytes(100_000);
  const stored = await fetch(put, { method: "PUT", body });
  const get = await getSignedUrl(client, new GetObjectCommand({ Bucket, Key: "note" }), { expiresIn: 300 });
  const opened = await fetch(get);
  const back = Buffer.from(await opened.arrayBuffer());
  return { statuses: [stored.status, opened.status], isSame: sha256(back) === sha256(body) };
}

async function session() {
  await new IAMClient().send(new CreateUserCommand({ UserName: "js-made" }));
  const dynamodb = new DynamoDBClient();
  await dynamodb.send(new CreateTableCommand({
    TableName: "js-table",
    BillingMode: "PAY_PER_REQUEST",
    AttributeDefinitions: [{ AttributeName: "id", AttributeType: "S" }],
    KeySchema: [{ AttributeName: "id", KeyType: "HASH" }],
  }));
  await dynamodb.send(new PutItemCommand({ TableName: "js-table", Item: { id: { S: "1" }, n: { N: "7" } } }));
  const item = await dynamodb.send(new GetItemCommand({ TableName: "js-table", Key: { id: { S: "1" } } }));
  const sqs = new SQSClient({ useQueueUrlAsEndpoint: false });
  const queue = await sqs.send(new CreateQueueCommand({ QueueName: "js-queue" }));
  await sqs.send(new SendMessageCommand({ QueueUrl: queue.QueueUrl, MessageBody: "hello" }));
  await new CloudWatchLogsClient().send(new CreateLogGroupCommand({ logGroupName: "/js" }));
  await new SecretsManagerClient().send(new CreateSecretCommand({ Name: "js-secret", SecretString: "hush-hush" }));
  await new CloudWatchClient().send(new ListMetricsCommand({}));
  const caller = await new STSClient().send(new GetCallerIdentityCommand({}));
  const trails = await new CloudTrailClient().send(new DescribeTrailsCommand({}));
  return { item: item.Item, arn: caller.Arn, trails: trails.trailList.map((trail) => trail.Name) };
}

async function lookup() {
  const found = await new CloudTrailClient().send(new LookupEventsCommand({
    LookupAttributes: [{ AttributeKey: "ResourceName", AttributeValue: "js-table" }],
  }));
  return { names: found.Events.map((event) => `${event.EventName} ${event.Username}`) };
}

async function keepAlive() {
  const client = new IAMClient({ maxAttempts: 1 });
  for (let n = 0; n < 20; n++) await client.send(new CreateUserCommand({ UserName: `kept-${n}` }));
  return {};
}

async function trailer() {
  const client = s3();
  await client.send(new CreateBucketCommand({ Bucket: "js-trailer" }));
  const Body = Readable.from([Buffer.alloc(3 * MIB, "abc"), Buffer.alloc(7, "x")]);
  await client.send(new PutObjectCommand({
    Bucket: "js-trailer", Key: "streamed", Body, ContentLength: 3 * MIB + 7, ChecksumAlgorithm: "SHA256",
  }));
  return {};
}

// Streams of events over HTTP/1.1, which Bedrock's client has to be told to speak.
async function streams() {
  const requestHandler = new NodeHttpHandler();
  const lambda = await new LambdaClient({ requestHandler }).send(
    new InvokeWithResponseStreamCommand({ FunctionName: "teller", Payload: Buffer.from("{}") }));
  const told = [];
  for await (const event of lambda.EventStream) told.push(event);
  const bedrock = new BedrockRuntimeClient({ requestHandler });
  const invoked = await bedrock.send(new InvokeModelWithResponseStreamCommand({
    modelId: "example.model-v1:0", contentType: "application/json", body: "{}",
  }));
  const parts = [];
  for await (const event of invoked.body) parts.push(Buffer.from(event.chunk.bytes));
  const conversed = await bedrock.send(new ConverseStreamCommand({
    modelId: "example.model-v1:0", messages: [{ role: "user", content: [{ text: "hello" }] }],
  }));
  const texts = [];
  for await (const event of conversed.stream) texts.push(event.contentBlockDelta?.delta?.text ?? "");
  return {
    lambda: sha256(Buffer.concat(told.filter((e) => e.PayloadChunk).map((e) => Buffer.from(e.PayloadChunk.Payload)))),
    isComplete: told.some((event) => event.InvokeComplete !== undefined),
    bedrock: sha256(Buffer.concat(parts)),
    texts: texts.join(""),
  };
}

// Left to themselves these clients open HTTP/2 at once, on one connection each.
async function http2() {
  const bedrock = new BedrockRuntimeClient();
  const invoked = await bedrock.send(new InvokeModelWithResponseStreamCommand({
    modelId: "example.model-v1:0", contentType: "application/json", body: "{}",
  }));
  const parts = [];
  for await (const event of invoked.body) parts.push(Buffer.from(event.chunk.bytes));
  const conversations = Array.from({ length: 8 }, async () => {
    const conversed = await bedrock.send(new ConverseStreamCommand({
      modelId: "example.model-v1:0", messages: [{ role: "user", content: [{ text: "hello" }] }],
    }));
    const texts = [];
    for await (const event of conversed.stream) texts.push(event.contentBlockDelta?.delta?.text ?? "");
    return texts.join("");
  });
  const kinesis = new KinesisClient();
  const shard = await kinesis.send(new SubscribeToShardCommand({
    ConsumerARN: "arn:aws:kinesis:us-east-1:123456789012:stream/s/consumer/c:1",
    ShardId: "shardId-000000000000", StartingPosition: { Type: "LATEST" },
  }));
  const records = [];
  for await (const event of shard.EventStream) {
    for (const record of event.SubscribeToShardEvent?.Records ?? []) records.push(Buffer.from(record.Data));
  }
  return {
    bedrock: sha256(Buffer.concat(parts)), texts: [...new Set(await Promise.all(conversations))],
    kinesis: sha256(Buffer.concat(records)),
  };
}

// Large records, eight at a time, on one connection.
async function kinesisRecords() {
  const kinesis = new KinesisClient();
  await kinesis.send(new CreateStreamCommand({ StreamName: "js-stream", ShardCount: 1 }));
  const sent = Array.from({ length: 8 }, () => randomBytes(700_000));
  await Promise.all(sent.map((Data, n) => kinesis.send(
    new PutRecordCommand({ StreamName: "js-stream", PartitionKey: `p-${n}`, Data }))));
  const shards = await kinesis.send(new ListShardsCommand({ StreamName: "js-stream" }));
  const iterator = await kinesis.send(new GetShardIteratorCommand({
    StreamName: "js-stream", ShardId: shards.Shards[0].ShardId, ShardIteratorType: "TRIM_HORIZON",
  }));
  const read = await kinesis.send(new GetRecordsCommand({ ShardIterator: iterator.ShardIterator }));
  const missing = await outcome(kinesis.send(new DescribeStreamCommand({ StreamName: "no-such-stream" })));
  return {
    sent: sent.map(sha256).sort(), read: read.Records.map((record) => sha256(Buffer.from(record.Data))).sort(), missing,
  };
}

// A conversation in which every word waits for the answer to the one before.
async function bidirectional() {
  const bedrock = new BedrockRuntimeClient();
  const pieces = Array.from({ length: 12 }, (_, n) => randomBytes(n * 9_001 + 1));
  let goOn;
  let answered = new Promise((resolve) => { goOn = resolve; });
  async function* words() {
    for (const piece of pieces) {
      yield { chunk: { bytes: piece } };
      await answered;
      answered = new Promise((resolve) => { goOn = resolve; });
    }
  }
  const answer = await bedrock.send(new InvokeModelWithBidirectionalStreamCommand({
    modelId: "example.model-v1:0", body: words(),
  }));
  const echoed = [];
  for await (const event of answer.body) {
    echoed.push(Buffer.from(event.chunk.bytes));
    goOn();
  }
  return { sent: sha256(Buffer.concat(pieces)), echoed: sha256(Buffer.concat(echoed)), count: echoed.length };
}

async function select() {
  const client = s3();
  const answer = await client.send(new SelectObjectContentCommand({
    Bucket: "selected", Key: "rows.json", ExpressionType: "SQL", Expression: "SELECT * FROM s3object s",
    InputSerialization: { JSON: { Type: "DOCUMENT" } }, OutputSerialization: { JSON: { RecordDelimiter: "\n" } },
  }));
  const parts = [];
  for await (const event of answer.Payload) if (event.Records) parts.push(Buffer.from(event.Records.Payload));
  return { rows: Buffer.concat(parts).toString() };
}

const scenarios = {
  objects, presigned, session, lookup, keepAlive, trailer, streams, http2, kinesisRecords, bidirectional, select,
};
process.stdout.write(JSON.stringify(await scenarios[process.argv[2]]()));
