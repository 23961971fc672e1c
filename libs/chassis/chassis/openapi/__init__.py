"""The API's own description: OpenAPI, made from the code."""
