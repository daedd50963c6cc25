# Headwater's AWS side for those who have theirs in Terraform: the CloudFormation templates of scripts/aws, with their
# parameters as variables. The worker, its secrets and its routes are wrangler's: www/docs/deploy.md.

terraform {
  required_version = ">= 1.3"

  required_providers {
    aws = {
      source                = "hashicorp/aws"
      version               = ">= 5.0"
      configuration_aliases = [aws.us_east_1]
    }
  }
}

locals {
  templates = {
    headwater = "${path.module}/../headwater.yaml"
    queries   = "${path.module}/../queries.yaml"
    streams   = "${path.module}/../streams.yaml"
    own       = "${path.module}/../own_streams.yaml"
  }

  # The stack of the saved queries and that of stream sets share these with the first one.
  shared = {
    StreamPrefix          = var.stream_prefix
    Format                = var.format
    PartitionByTenant     = var.partition_by_tenant
    PartitionByKey        = var.partition_by_key
    BufferSizeMiB         = var.buffer_size_mib
    BufferIntervalSeconds = var.buffer_interval_seconds
    Database              = var.database
    AlarmTopic            = var.alarm_topic
    StaleSeconds          = var.stale_seconds
    KmsKeyArn             = var.kms_key_arn
  }

  # The worker may put to these streams.
  firehose_arns = join(",", [for name in compact(split(",", var.firehose_streams)) : "${aws_cloudformation_stack.headwater.outputs["FirehoseArnPrefix"]}${name}"])
  kinesis_arns  = join(",", [for name in compact(split(",", var.kinesis_streams)) : "${aws_cloudformation_stack.headwater.outputs["KinesisArnPrefix"]}${name}"])
}

# With its comments, a template is larger than a request may be.
resource "aws_s3_object" "template" {
  for_each = local.templates

  bucket = var.template_bucket
  key    = "${var.name}/${each.key}-${filemd5(each.value)}.yaml"
  source = each.value
  tags   = var.tags
}

data "aws_s3_bucket" "templates" {
  bucket = var.template_bucket
}

resource "aws_cloudformation_stack" "headwater" {
  name         = var.name
  template_url = "https://${data.aws_s3_bucket.templates.bucket_regional_domain_name}/${aws_s3_object.template["headwater"].key}"
  capabilities = ["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"]
  iam_role_arn = var.role_arn
  tags         = var.tags

  parameters = merge(local.shared, {
    KinesisStream               = var.kinesis_stream
    FirehoseStreams             = var.firehose_streams
    StreamNotes                 = var.stream_notes
    FailedBufferSizeMiB         = var.failed_buffer_size_mib
    FailedBufferIntervalSeconds = var.failed_buffer_interval_seconds
    DataRetentionDays           = var.data_retention_days
    FailedRetentionDays         = var.failed_retention_days
    LogRetentionDays            = var.log_retention_days
    SilenceSeconds              = var.silence_seconds
    FailedRecordsTolerated      = var.failed_records_tolerated
    ScanLimitBytes              = var.scan_limit_bytes
    PermissionsBoundary         = var.permissions_boundary
  })
}

resource "aws_cloudformation_stack" "queries" {
  name         = "${var.name}-queries"
  template_url = "https://${data.aws_s3_bucket.templates.bucket_regional_domain_name}/${aws_s3_object.template["queries"].key}"
  iam_role_arn = var.role_arn
  tags         = var.tags

  parameters = {
    Database          = var.database
    PartitionByTenant = var.partition_by_tenant
    PartitionByKey    = var.partition_by_key
  }

  # The Athena workgroup is in that stack.
  depends_on = [aws_cloudformation_stack.headwater]
}

resource "aws_cloudformation_stack" "streams" {
  count = var.streams_per_level > 1 ? 1 : 0

  name         = "${var.name}-streams"
  template_url = "https://${data.aws_s3_bucket.templates.bucket_regional_domain_name}/${aws_s3_object.template["streams"].key}"
  capabilities = ["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"]
  iam_role_arn = var.role_arn
  tags         = var.tags

  parameters = merge(local.shared, {
    StreamsPerLevel = var.streams_per_level
    DataBucketName  = aws_cloudformation_stack.headwater.outputs["DataBucketName"]
    DeliveryRoleArn = aws_cloudformation_stack.headwater.outputs["DeliveryRoleArn"]
    WorkerUserName  = aws_cloudformation_stack.headwater.outputs["WorkerUserName"]
  })
}

# The names are those that the routes of wrangler.toml have.
resource "aws_cloudformation_stack" "own" {
  count = var.firehose_streams == "" && var.kinesis_streams == "" ? 0 : 1

  name         = "${var.name}-own"
  template_url = "https://${data.aws_s3_bucket.templates.bucket_regional_domain_name}/${aws_s3_object.template["own"].key}"
  capabilities = ["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"]
  iam_role_arn = var.role_arn
  tags         = var.tags

  parameters = merge(local.shared, {
    FirehoseStreams = var.firehose_streams
    KinesisStreams  = var.kinesis_streams
    FirehoseArns    = local.firehose_arns
    KinesisArns     = local.kinesis_arns
    DataBucketName  = aws_cloudformation_stack.headwater.outputs["DataBucketName"]
    DeliveryRoleArn = aws_cloudformation_stack.headwater.outputs["DeliveryRoleArn"]
    WorkerUserName  = aws_cloudformation_stack.headwater.outputs["WorkerUserName"]
  })
}

# Route 53 has its metrics in us-east-1 only, so that the alarm is there. This template is small enough to be sent as it is.
resource "aws_cloudformation_stack" "health" {
  count    = var.readyz_host == "" ? 0 : 1
  provider = aws.us_east_1

  name          = "${var.name}-health"
  template_body = file("${path.module}/../health.yaml")
  iam_role_arn  = var.role_arn
  tags          = var.tags

  parameters = {
    ReadyzHost       = var.readyz_host
    HealthAlarmTopic = var.health_alarm_topic
  }
}
