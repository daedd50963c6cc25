output "outputs" {
  description = "The outputs of the stack, by their names in the template, such as WorkerUserName and DataBucketName."
  value       = aws_cloudformation_stack.headwater.outputs
}
