// The demo page: a shop with the snippet in it, the guide, and the log.

import "../copy.js";
import "../readiness.js";
import "./check.js";
import "./guide.js";
import "./log.js";
import { listen } from "./requests.js";
import "./shop.js";
import "../site.js";

listen();
