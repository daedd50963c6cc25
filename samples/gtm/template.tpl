___INFO___

{
  "type": "TAG",
  "id": "cvt_temp_public_id",
  "version": 1,
  "securityGroups": [],
  "displayName": "Headwater",
  "description": "Loads the snippet of your Headwater collector, and sends events to it.",
  "categories": ["ANALYTICS"],
  "brand": { "id": "brand_dummy", "displayName": "Headwater" },
  "containerContexts": ["WEB"]
}


___TEMPLATE_PARAMETERS___

[
  {
    "type": "TEXT",
    "name": "host",
    "displayName": "Host of the collector",
    "help": "Such as c.example. The permission \"Injects scripts\" has to name it too.",
    "simpleValueType": true,
    "valueValidators": [{ "type": "REGEX", "args": ["^[a-z0-9.-]+$"], "errorMessage": "must be a host name, without https:// and path" }]
  },
  {
    "type": "TEXT",
    "name": "key",
    "displayName": "Write key",
    "help": "Empty if the collector has no tenants.",
    "simpleValueType": true
  },
  {
    "type": "TEXT",
    "name": "auto",
    "displayName": "Automatic events",
    "help": "Some of outbound, downloads, forms and engagement, separated by spaces.",
    "simpleValueType": true
  },
  {
    "type": "TEXT",
    "name": "event",
    "displayName": "Name of the event",
    "help": "Empty for a tag that only loads the snippet, which sends page views on its own.",
    "simpleValueType": true
  },
  {
    "type": "SIMPLE_TABLE",
    "name": "props",
    "displayName": "Props of the event",
    "simpleTableColumns": [
      { "type": "TEXT", "name": "name", "displayName": "Name", "defaultValue": "", "isUnique": true },
      { "type": "TEXT", "name": "value", "displayName": "Value", "defaultValue": "" }
    ]
  }
]


___SANDBOXED_JS_FOR_WEB_TEMPLATE___

const createArgumentsQueue = require('createArgumentsQueue');
const encodeUriComponent = require('encodeUriComponent');
const injectScript = require('injectScript');
const makeTableMap = require('makeTableMap');

// Calls before the script is loaded wait for it, in this queue.
const headwater = createArgumentsQueue('headwater', 'headwater.q');

let url = 'https://' + data.host + '/t.js';
const settings = [];
if (data.key) settings.push('key=' + encodeUriComponent(data.key));
if (data.auto) settings.push('auto=' + encodeUriComponent(data.auto));
if (settings.length) url = url + '?' + settings.join('&');

if (data.event) {
  headwater('track', data.event, data.props && data.props.length ? makeTableMap(data.props, 'name', 'value') : {});
}

// Each address is loaded once, however many tags there are.
injectScript(url, data.gtmOnSuccess, data.gtmOnFailure, url);


___WEB_PERMISSIONS___

[
  {
    "instance": {
      "key": { "publicId": "access_globals", "versionId": "1" },
      "param": [
        {
          "key": "keys",
          "value": {
            "type": 2,
            "listItem": [
              {
                "type": 3,
                "mapKey": [
                  { "type": 1, "string": "key" },
                  { "type": 1, "string": "read" },
                  { "type": 1, "string": "write" },
                  { "type": 1, "string": "execute" }
                ],
                "mapValue": [
                  { "type": 1, "string": "headwater" },
                  { "type": 8, "boolean": true },
                  { "type": 8, "boolean": true },
                  { "type": 8, "boolean": true }
                ]
              },
              {
                "type": 3,
                "mapKey": [
                  { "type": 1, "string": "key" },
                  { "type": 1, "string": "read" },
                  { "type": 1, "string": "write" },
                  { "type": 1, "string": "execute" }
                ],
                "mapValue": [
                  { "type": 1, "string": "headwater.q" },
                  { "type": 8, "boolean": true },
                  { "type": 8, "boolean": true },
                  { "type": 8, "boolean": false }
                ]
              }
            ]
          }
        }
      ]
    },
    "clientAnnotations": { "isEditedByUser": true },
    "isRequired": true
  },
  {
    "instance": {
      "key": { "publicId": "inject_script", "versionId": "1" },
      "param": [
        { "key": "urls", "value": { "type": 2, "listItem": [{ "type": 1, "string": "https://c.example/*" }] } }
      ]
    },
    "clientAnnotations": { "isEditedByUser": true },
    "isRequired": true
  }
]


___TESTS___

scenarios:
- name: loads the snippet with the key
  code: |-
    runCode({ host: 'c.example', key: 'pk_1' });
    assertApi('injectScript').wasCalled();
- name: sends an event
  code: |-
    runCode({ host: 'c.example', event: 'click', props: [{ name: 'target', value: 'nav.cart' }] });
    assertApi('createArgumentsQueue').wasCalledWith('headwater', 'headwater.q');


___NOTES___

Values of the table are texts; the collector repairs a number that is sent as a text.
