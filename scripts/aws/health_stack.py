"""The stack of the health check, which has a region of its own."""

from __future__ import annotations

from pathlib import Path

TEMPLATE = Path(__file__).with_name("health.yaml")
# https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/monitoring-cloudwatch.html
REGION = "us-east-1"
HOST = "ReadyzHost"
TOPIC = "HealthAlarmTopic"
PARAMETERS = (HOST, TOPIC)
