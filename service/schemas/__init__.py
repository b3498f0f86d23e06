"""The shapes of requests and answers: they validate the raw bytes, and docs/openapi.json is generated from them."""
