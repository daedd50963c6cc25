"""The access key of the worker's user: minted, tried, and retired when another took its place.

IAM allows a user two keys, so that one can take over from the other.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime, timezone
from typing import Any

import botocore.exceptions

NAMES = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
AT_MOST = 2
# A new key reaches all of AWS within seconds.
VALID_SECONDS = 60
NEVER = datetime.min.replace(tzinfo=timezone.utc)


class WorkerKeyError(Exception):
    """Why there is no key, in one sentence."""


class WorkerKeys:
    """The keys of one user."""

    def __init__(self, iam: Any, user: str) -> None:
        self._iam = iam
        self._user = user

    def active(self) -> list[str]:
        """The ids of the keys that can sign."""
        return [each["AccessKeyId"] for each in self._all() if each["Status"] == "Active"]  # fmt: skip

    def make_room(self) -> str | None:
        """Delete the key that was not used for longest, if no other can be made beside it.

        Returns its id. A key that was never used was left by a run that was cut off.
        """
        ids = [each["AccessKeyId"] for each in self._all()]
        if len(ids) < AT_MOST:
            return None
        stalest = min(ids, key=self._last_used)
        self.delete(stalest)
        return stalest

    def mint(self, client_with: Callable[[str, dict[str, str]], Any]) -> dict[str, str]:
        """Make a key, under its names as secrets; returns when AWS knows it.

        `client_with` makes a client of a service that signs with a key.
        """
        if len(self._all()) >= AT_MOST:
            raise WorkerKeyError(
                f"the user {self._user} has two keys already, and none of them is stored:"
                " run again with --rotate, which deletes the one not used for longest"
            )
        made = self._iam.create_access_key(UserName=self._user)["AccessKey"]
        key = dict(zip(NAMES, (made["AccessKeyId"], made["SecretAccessKey"]), strict=True))  # fmt: skip
        sts = client_with("sts", key)
        deadline = time.monotonic() + VALID_SECONDS
        while True:
            try:
                # Needs no permission, and so works for the worker's key too.
                sts.get_caller_identity()
                return key
            except botocore.exceptions.ClientError as error:
                if time.monotonic() > deadline:
                    self.delete(made["AccessKeyId"])
                    raise WorkerKeyError(
                        f"AWS did not accept the new key within {VALID_SECONDS} s: {error}"
                    ) from None
                time.sleep(1)

    def delete(self, key_id: str) -> None:
        """Delete a key."""
        self._iam.delete_access_key(UserName=self._user, AccessKeyId=key_id)

    def all_but(self, key_id: str) -> list[str]:
        """The ids of the other keys."""
        ids = [each["AccessKeyId"] for each in self._all()]
        return [each for each in ids if each != key_id]

    def _all(self) -> list[dict[str, Any]]:
        return self._iam.list_access_keys(UserName=self._user)["AccessKeyMetadata"]

    def _last_used(self, key_id: str) -> datetime:
        last_used = self._iam.get_access_key_last_used(AccessKeyId=key_id)
        return last_used.get("AccessKeyLastUsed", {}).get("LastUsedDate", NEVER)
