"""posthog, for Python."""

from story import DEVICE, ENDPOINT, KEY, PAGE, TOTAL, USER, Report, marker

from posthog import Posthog

report = Report("posthog", "Posthog(KEY, host=ENDPOINT)")
posthog = Posthog(KEY, host=ENDPOINT, on_error=lambda error, items: report.error(error, len(items)))
report.flush = posthog.flush

# A server's distinct id is its user.
page = {"$current_url": PAGE, "marker": marker("page")}
posthog.capture("$pageview", distinct_id=USER, properties=page)
report.sent("page", user_id=USER, url=PAGE)

order = {**TOTAL, "marker": marker("order")}
posthog.capture("Order Completed", distinct_id=USER, properties={**order, "$device_id": DEVICE})
report.sent("order", name="Order Completed", user_id=USER, device_id=DEVICE, props=order)

# Its `set` is what the other SDKs call identify.
posthog.set(distinct_id=USER, properties={"plan": "team", "marker": marker("identify")})
report.sent("identify", name="$set", user_id=USER)

second = {"coupon": "ZH-10", "marker": marker("second")}
posthog.capture("Größe gewählt", distinct_id=USER, properties=second)
report.sent("second", name="Größe gewählt", user_id=USER, props=second)

posthog.shutdown()
report.print()
