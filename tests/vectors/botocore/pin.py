"""Signs a few requests with botocore, for tests/sigv4_vectors.rs to compare with.

python tests/vectors/botocore/pin.py > tests/vectors/botocore/signed.json
"""

import base64
import datetime
import hashlib
import json
from unittest import mock

import botocore
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

AT = datetime.datetime(2026, 3, 1, 12, 0, 0)
ACCESS_KEY_ID = "AKIDEXAMPLE"
SECRET_ACCESS_KEY = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
SESSION_TOKEN = "AQoDYXdzEPT//////////wEXAMPLEtc764bNrC9SAPBSM22wDOk4x4HIZ8j4FZTwdQWLWsKW=="

RECORD = base64.b64encode('{"name":"page_view","title":"Käse ✓"}\n'.encode()).decode()
FIREHOSE = {
    "service": "firehose",
    "region": "eu-west-1",
    "url": "https://firehose.eu-west-1.amazonaws.com/",
    "target": "Firehose_20150804.PutRecordBatch",
    "body": json.dumps(
        {"DeliveryStreamName": "events", "Records": [{"Data": RECORD}] * 2}
    ),
}
KINESIS = {
    "service": "kinesis",
    "region": "us-east-1",
    "url": "https://kinesis.us-east-1.amazonaws.com",
    "target": "Kinesis_20131202.PutRecords",
    "body": json.dumps(
        {
            "StreamName": "orders",
            "Records": [{"Data": RECORD, "PartitionKey": "device ✓"}],
        },
        ensure_ascii=False,
    ),
}
CASES = {
    "firehose, long-lived key": FIREHOSE,
    "firehose, session token": FIREHOSE | {"session_token": SESSION_TOKEN},
    "firehose, local endpoint": FIREHOSE | {"url": "http://127.0.0.1:4566/"},
    "kinesis, session token": KINESIS | {"session_token": SESSION_TOKEN},
}


def signed(name: str, case: dict[str, str]) -> dict[str, object]:
    """The case, with the headers that botocore gives it."""
    body = case["body"].encode()
    request = AWSRequest(
        method="POST",
        url=case["url"],
        data=body,
        headers={
            "content-type": "application/x-amz-json-1.1",
            "x-amz-content-sha256": hashlib.sha256(body).hexdigest(),
            "x-amz-target": case["target"],
        },
    )
    credentials = Credentials(
        ACCESS_KEY_ID, SECRET_ACCESS_KEY, case.get("session_token")
    )
    with mock.patch("botocore.auth.get_current_datetime", return_value=AT):
        SigV4Auth(credentials, case["service"], case["region"]).add_auth(request)
    headers = {key.lower(): value for key, value in request.headers.items()}
    return {"case": name, **case, "headers": headers}


if __name__ == "__main__":
    document = {
        "signed_by": f"botocore {botocore.__version__}",
        "at": AT.isoformat() + "Z",
        "access_key_id": ACCESS_KEY_ID,
        "secret_access_key": SECRET_ACCESS_KEY,
        "requests": [signed(name, case) for name, case in CASES.items()],
    }
    print(json.dumps(document, indent=2, ensure_ascii=False))
