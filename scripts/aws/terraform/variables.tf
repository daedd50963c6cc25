# Made by scripts/aws/terraform_variables.py from the parameters of the templates, which say what is allowed.

variable "name" {
  description = "The name of the stack."
  type        = string
  default     = "headwater"
}

variable "template_bucket" {
  description = "A bucket of yours in the same region, from which CloudFormation reads the templates."
  type        = string
}

variable "role_arn" {
  description = "The ARN of the role that CloudFormation acts as, instead of the caller."
  type        = string
  default     = null
}

variable "tags" {
  description = "The tags of the stacks and of all in them."
  type        = map(string)
  default     = {}
}

variable "stream_prefix" {
  description = "The streams are called PREFIX-low, PREFIX-mid, PREFIX-high and PREFIX-failed."
  type        = string
  default     = "events"
}

variable "kinesis_stream" {
  description = "The name of a Kinesis data stream for events that something reads as they come, as a route to kinesis:NAME sends them; without a name there is none."
  type        = string
  default     = ""
}

variable "firehose_streams" {
  description = "The names of Firehose streams of your own, with commas between them: the tables find their events. The stack of own_streams.yaml creates the streams; scripts/deploy gives this parameter to both."
  type        = string
  default     = ""
}

variable "stream_notes" {
  description = "What each stream has, for those who query: the description of the tables of events. scripts/deploy writes it by the routes of wrangler.toml."
  type        = string
  default     = ""
}

variable "format" {
  description = "The format in which events are stored: gzip is lines of JSON, exactly as the worker wrote them; parquet is what queries read at the least cost, with the columns of the table and no others. Each has its own prefix and table, so you can change it. Failed events are always lines of JSON, gzipped."
  type        = string
  default     = "gzip"
}

variable "partition_by_tenant" {
  description = "With true, a tenant's events lie under by_tenant=NAME/. Firehose takes this, and PartitionByKey, only for streams that it creates: where they are there already, make another stack, with another StreamPrefix and Database."
  type        = string
  default     = "false"
}

variable "partition_by_key" {
  description = "A key of x-partition by whose value events lie under by_key=VALUE/, such as tag. An event without it lies under by_key=none/."
  type        = string
  default     = ""
}

variable "buffer_size_mib" {
  description = "An object of events is written when this much has arrived, counted before compression. Large objects are what makes queries cheap."
  type        = number
  default     = 128
}

variable "buffer_interval_seconds" {
  description = "... or when the oldest event has waited for this long. It bounds how old the newest readable event is, and on a quiet site it decides how many objects there are."
  type        = number
  default     = 300
}

variable "failed_buffer_size_mib" {
  description = "The same for failed events, which are few, and which somebody waits for."
  type        = number
  default     = 5
}

variable "failed_buffer_interval_seconds" {
  description = "The same for failed events."
  type        = number
  default     = 60
}

variable "data_retention_days" {
  description = "Events are deleted after this many days, for good 30 days later; 0 keeps them for ever."
  type        = number
  default     = 0
}

variable "failed_retention_days" {
  description = "Failed events are deleted after this many days, for good 30 days later; 0 keeps them for ever."
  type        = number
  default     = 90
}

variable "log_retention_days" {
  description = "How long Firehose's own delivery errors stay in CloudWatch Logs."
  type        = number
  default     = 30
}

variable "database" {
  description = "The Glue database of the tables, and the Athena workgroup of the queries."
  type        = string
  default     = "headwater"
}

variable "alarm_topic" {
  description = "The ARN of an SNS topic that is notified when an alarm goes off and when it is over; without one the alarms are to be seen in CloudWatch only."
  type        = string
  default     = ""
}

variable "stale_seconds" {
  description = "The alarm of a stream goes off when its oldest undelivered record is older than this. It must be longer than the buffers' intervals."
  type        = number
  default     = 1800
}

variable "silence_seconds" {
  description = "An alarm goes off when no event has come for this long; 0 switches it off."
  type        = number
  default     = 21600
}

variable "failed_records_tolerated" {
  description = "An alarm goes off when more records than this reach the stream of failed events in five minutes. A record may hold several failed events of one request."
  type        = number
  default     = 100
}

variable "scan_limit_bytes" {
  description = "Athena stops a query that reads more bytes than this, which is what Athena bills. The least is 10000000; 0 sets no limit."
  type        = number
  default     = 1099511627776
}

variable "kms_key_arn" {
  description = "The ARN of a KMS key of yours for the buckets, the streams and the log. Its policy must allow that first; www/docs/deploy.md has the statements. Without one AWS's own keys are used."
  type        = string
  default     = ""
}

variable "permissions_boundary" {
  description = "The ARN of an IAM policy that bounds what the stack's role and user may do."
  type        = string
  default     = ""
}

variable "streams_per_level" {
  description = "How many streams each level has, beside PREFIX-LEVEL: PREFIX-LEVEL-0 to PREFIX-LEVEL-15 for 16, and none for 1. More would be above CloudFormation's 500 resources."
  type        = number
  default     = 1
}

variable "kinesis_streams" {
  description = "The names of Kinesis data streams of your own, with commas between them, for events that something reads as they come."
  type        = string
  default     = ""
}

variable "readyz_host" {
  description = "The host of the worker, such as events.shop.example, without https://."
  type        = string
  default     = ""
}

variable "health_alarm_topic" {
  description = "The ARN of an SNS topic in us-east-1 that is notified when the alarm goes off and when it is over; without one the alarm is to be seen in CloudWatch only."
  type        = string
  default     = ""
}
