"""Zeroloop's core: the layer that every function shares.

One concern a module: `errors` (kinds of failure), `config` (environment), `clock` (time and ids), `digests`
(canonical JSON and SHA-256), `telemetry` (logs and metrics), `http` (the API's edge), `table` (PynamoDB's edge),
`objects` (S3 and Lambda), `signed` (the hot path's own lean AWS calls).

One feature a package, each with rules (pure), store (rows) and service (read, decide, write once):
`registry` (models, versions, the lineup, the audit chain) and `inference` (packages, preprocessing, LiteRT).
"""
