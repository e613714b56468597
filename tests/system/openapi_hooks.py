"""What schemathesis has to know beyond docs/openapi.json; test_producer_openapi.py names this file to it."""

import json

import schemathesis

LINES = "application/x-ndjson"


@schemathesis.hook
def before_load_schema(context, raw_schema):
    """OpenAPI 3.1 has no words for lines that have a schema each; here they are an array, which `lines` writes out."""
    body = raw_schema["paths"]["/v1/jobs"]["post"]["requestBody"]["content"]
    body[LINES] = {"schema": {"$ref": "#/components/schemas/DocumentArray"}}


@schemathesis.serializer(LINES)
def lines(context, value):
    if not isinstance(value, list):
        value = [[value]]  # on purpose no array: then the line is to be no object
    return "".join(json.dumps(line) + "\n" for line in value).encode()


@schemathesis.hook
def map_case(context, case):
    """?op=delete gives the body another meaning, which a schema can't say; test_producer_http.py has it."""
    if isinstance(case.query, dict) and case.query.get("op") == "delete":
        del case.query["op"]
    return case
