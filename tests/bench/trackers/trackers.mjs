/** The trackers that are compared, in the order of the table. */

import goatcounter from "./goatcounter.mjs";
import headwater from "./headwater.mjs";
import plausible from "./plausible.mjs";
import posthog from "./posthog.mjs";
import segment from "./segment.mjs";
import snowplow from "./snowplow.mjs";
import umami from "./umami.mjs";

export const TRACKERS = [headwater, plausible, umami, goatcounter, snowplow, segment, posthog];
