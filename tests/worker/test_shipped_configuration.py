"""What wrangler.toml ships: the defaults that cost money where they are left out."""

from __future__ import annotations

import re
import tomllib

from support import ROOT

CONFIGURATION = tomllib.loads((ROOT / "wrangler.toml").read_text())
PAGE = (ROOT / "www/docs/performance.md").read_text()


def test_one_invocation_in_a_hundred_is_logged() -> None:
    observability = CONFIGURATION["observability"]
    assert observability["enabled"] is True
    assert observability["head_sampling_rate"] == 0.01
    # This table would go before that rate.
    assert "head_sampling_rate" not in observability.get("logs", {})


def test_the_page_gives_the_price_of_the_shipped_rate() -> None:
    def price(what: str) -> float:
        found = re.search(rf"^\| [^|]*{re.escape(what)}[^|]* \| ([\d.]+) ", PAGE, re.M)
        assert found, f"performance.md has no price of: {what}"
        return float(found[1])

    every, sampled = price("head_sampling_rate = 1"), price("one in a hundred logged")
    rate = CONFIGURATION["observability"]["head_sampling_rate"]
    assert sampled == round(every * rate, 6)
