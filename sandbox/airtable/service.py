"""The Airtable stand-in's routes and its part of the seed.

Limits are `limits`' part, what a write may do `records`', reading `listing`'s, tables and fields `schema`'s,
webhooks `webhooks`'. Comments and collaborators are left out. Source: Airtable Web API reference.
"""

from __future__ import annotations

import base64
import json
from datetime import datetime
from typing import Any

from sandbox.airtable.attachments import Files
from sandbox.airtable.errors import body, forbidden, invalid_request, refused, unknown_field
from sandbox.airtable.limits import LOCK_OUT_S, OUT_OF_CALLS, Gate, Token
from sandbox.airtable.listing import ListOptions, Pages, flag, list_options, renderer
from sandbox.airtable.model import ATTACHMENTS, COMPUTED, LINKS, Attachment, Base, Record, Table
from sandbox.airtable.records import Writer, delete, set_cell
from sandbox.airtable.schema import create_computed, create_field, create_table, rename_field, rename_table
from sandbox.airtable.webhooks import Webhooks
from sandbox.core import Call, Handler, Refused, Reply, Service, World, route

HOST = "https://api.airtable.com"
MAX_URL_CHARS = 16_000
MAX_BATCH = 10
WRITE_KEYS = {"records", "fields", "typecast", "returnFieldsByFieldId", "performUpsert"}

PLAIN_REFUSALS: dict[int, Any] = {
    400: body("INVALID_REQUEST_BODY", "Could not parse request body"),
    401: body("AUTHENTICATION_REQUIRED", "Authentication required"),
    403: body("INVALID_PERMISSIONS", "You are not permitted to perform this operation"),
    413: body("REQUEST_TOO_LARGE", "Request body is too large"),
    422: body(
        "INVALID_REQUEST_UNKNOWN", "Invalid request: parameter validation failed. Check your request data."
    ),
    500: body("SERVER_ERROR", "Try again. If the problem persists, contact support."),
    502: "<html><head><title>502 Bad Gateway</title></head><body>502 Bad Gateway</body></html>",
    503: body(
        "RETRIABLE_ERROR", "The server could not process your request in time; it is safe to try again"
    ),
}
"""Bodies of statuses that a fault orders; those of 500 and 502 are not documented."""


class Airtable(Service):
    name = "airtable"

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self.gate = Gate(world)
        self.files = Files(world)
        self.pages = Pages()
        self.bases: dict[str, Base] = {}
        self.webhooks = Webhooks(world, self._enter_base)
        record, meta = "/v0/{base}/{table}/{record}", "/v0/meta/bases/{base}/tables"
        attachment = "/attachments/{until}/{sign}/{attachment}/{name}"
        self.routes = [
            *self.webhooks.routes,
            route("GET", attachment, "attachment", self.files.serve),
            route("HEAD", attachment, "attachment", self.files.serve),
            route("GET", "/v0/meta/whoami", "whoami", self._whoami),
            route("GET", "/v0/meta/bases", "list_bases", self._list_bases),
            route("POST", "/v0/meta/bases", "create_base", self._create_base),
            route("GET", meta, "list_tables", self._list_tables),
            route("POST", meta, "create_table", self._told(self._create_table)),
            route("PATCH", f"{meta}/{{table}}", "update_table", self._told(self._update_table)),
            route("POST", f"{meta}/{{table}}/fields", "create_field", self._told(self._create_field)),
            route(
                "PATCH", f"{meta}/{{table}}/fields/{{field}}", "update_field", self._told(self._update_field)
            ),
            route("POST", "/v0/{base}/{table}/listRecords", "list_records", self._list),
            route(
                "POST",
                "/v0/{base}/{record}/{field}/uploadAttachment",
                "upload_attachment",
                self._told(self._upload),
            ),
            route("GET", "/v0/{base}/{table}", "list_records", self._list),
            route("POST", "/v0/{base}/{table}", "create_records", self._told(self._create)),
            route("PATCH", "/v0/{base}/{table}", "update_records", self._told(self._update_many)),
            route("PUT", "/v0/{base}/{table}", "update_records", self._told(self._update_many)),
            route("DELETE", "/v0/{base}/{table}", "delete_records", self._told(self._delete_many)),
            route("GET", record, "get_record", self._get),
            route("PATCH", record, "update_record", self._told(self._update_one)),
            route("PUT", record, "update_record", self._told(self._update_one)),
            route("DELETE", record, "delete_record", self._told(self._delete_one)),
        ]

    # -------------------------------------------------------------- what the frame asks

    def reset(self) -> None:
        self.gate.clear()
        self.files.clear()
        self.pages.clear()
        self.bases.clear()
        self.webhooks.clear()

    def account_of(self, call: Call) -> str | None:
        """The base: Airtable has no accounts, and limits count by base."""
        return call.args.get("base")

    def refusal(self, status: int, call: Call, code: str = "", subcode: str = "") -> Reply:
        """`code` is an error type, such as `422/UNKNOWN_FIELD_NAME`."""
        if status == 429:
            return self.gate.too_many(*OUT_OF_CALLS) if code == OUT_OF_CALLS[0] else self.rate_limited(call)
        if code:
            return Reply(status, body(code, code.replace("_", " ").capitalize()))
        if status == 404:
            return self.not_found(call)
        reply = Reply(status, PLAIN_REFUSALS.get(status, body("SERVER_ERROR", "Server error")))
        if status == 503 and (wait_s := self.world.switch("airtable_retry_after_s", "")):
            reply.headers["Retry-After"] = wait_s
        return reply

    def rate_limited(self, call: Call, wait_s: float | None = None) -> Reply:
        lock_s = LOCK_OUT_S if wait_s is None else wait_s
        return self.gate.lock(call.args.get("base") or call.bearer(), lock_s)

    def expire_token(self, call: Call) -> None:
        self.gate.tokens.pop(call.bearer() or "", None)

    def not_found(self, call: Call) -> Reply:
        """Seen as a text and as an object: switch `airtable_404_shape`."""
        if self.world.switch("airtable_404_shape", "string") == "object":
            return Reply(404, body("NOT_FOUND", "Could not find what you are looking for"))
        return Reply(404, {"error": "NOT_FOUND"})

    # -------------------------------------------------------------- what every route begins with

    def _now_ms(self) -> int:
        return int(self.world.now() * 1000)

    def _enter(self, call: Call, scope: str | None) -> Token:
        if len(call.url) - len(call.base_url) + len(HOST) > MAX_URL_CHARS:
            raise refused(414, "URI_TOO_LONG", f"The URL is longer than {MAX_URL_CHARS} characters")
        metered = not call.path.startswith("/v0/meta/")
        return self.gate.enter(call.bearer(), scope, call.args.get("base"), metered=metered)

    def _enter_base(self, call: Call, scope: str) -> tuple[Token, Base]:
        token = self._enter(call, scope)
        if call.args["base"] not in self.bases:
            raise forbidden()
        return token, self.bases[call.args["base"]]

    def _base(self, call: Call, scope: str) -> Base:
        return self._enter_base(call, scope)[1]

    def _told(self, handler: Handler) -> Handler:
        """A route that changes a base: its webhooks hear of it. Such a route waits for nothing."""

        async def run(call: Call) -> Reply:
            token, base = self.gate.tokens.get(call.bearer() or ""), self.bases.get(call.args["base"])
            if token is None or base is None:
                return await handler(call)
            with self.webhooks.recording(token, base):
                return await handler(call)

        return run

    def _table(self, call: Call, scope: str) -> tuple[Base, Table]:
        base = self._base(call, scope)
        table = base.table(call.args["table"])
        if table is None:
            raise forbidden()
        return base, table

    def _record(self, table: Table, call: Call) -> Record:
        if call.args["record"] not in table.records:
            raise Refused(self.not_found(call))
        return table.records[call.args["record"]]

    def _json(self, call: Call) -> Any:
        try:
            return call.json()
        except ValueError:
            raise Refused(self.refusal(400, call)) from None

    # -------------------------------------------------------------- records

    async def _list(self, call: Call) -> Reply:
        base, table = self._table(call, "data.records:read")
        options = list_options(call.query, self._json(call) if call.method == "POST" else None)
        records, offset = self.pages.page(base, table, options, self.world.now())
        show = renderer(base, table, options, self.files, call.base_url)
        following = {"offset": offset} if offset else {}
        return Reply(200, {"records": [show(record) for record in records]} | following)

    async def _get(self, call: Call) -> Reply:
        base, table = self._table(call, "data.records:read")
        record, options = self._record(table, call), list_options(call.query)
        return Reply(200, renderer(base, table, options, self.files, call.base_url)(record))

    def _write(self, call: Call) -> tuple[Base, Table, Writer, dict[str, Any], ListOptions]:
        base, table = self._table(call, "data.records:write")
        data = self._json(call)
        if not isinstance(data, dict):
            raise invalid_request("an object is required")
        for key in data:
            if key not in WRITE_KEYS:
                raise invalid_request(f"{key} is not known")
        writer = Writer(base, table, self.files, self._now_ms(), flag(data.get("typecast", False)))
        return (
            base,
            table,
            writer,
            data,
            ListOptions(returnFieldsByFieldId=flag(data.get("returnFieldsByFieldId"))),
        )

    def _batch(self, data: dict[str, Any]) -> list[dict[str, Any]]:
        items = data.get("records")
        if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
            raise invalid_request("records must be a list of objects")
        if not 1 <= len(items) <= MAX_BATCH:
            raise invalid_request(f"records must have 1 to {MAX_BATCH} entries")
        if any(set(item) - {"id", "fields"} for item in items):
            raise invalid_request("a record has id and fields only")
        return items

    async def _create(self, call: Call) -> Reply:
        base, table, writer, data, options = self._write(call)
        items = self._batch(data) if "records" in data else [{"fields": data.get("fields")}]
        for item in items:
            if "id" in item:
                raise invalid_request("a new record cannot have an id")
            writer.create(item.get("fields"))
        records, _ = writer.apply()
        shown = list(map(renderer(base, table, options, self.files, call.base_url), records))
        return Reply(200, {"records": shown} if "records" in data else shown[0])

    async def _update_many(self, call: Call) -> Reply:
        base, table, writer, data, options = self._write(call)
        items, replace = self._batch(data), call.method == "PUT"
        upsert = data.get("performUpsert")
        if upsert is None:
            for item in items:
                writer.update(writer.existing(item.get("id")), item.get("fields"), replace=replace)
        elif isinstance(upsert, dict) and set(upsert) == {"fieldsToMergeOn"}:
            writer.upsert(items, upsert["fieldsToMergeOn"], replace=replace)
        else:
            raise invalid_request("performUpsert has fieldsToMergeOn only")
        records, created = writer.apply()
        show = renderer(base, table, options, self.files, call.base_url)
        answer: dict[str, Any] = {"records": [show(record) for record in records]}
        if upsert is not None:
            answer["createdRecords"] = created
            answer["updatedRecords"] = [r.id for r in records if r.id not in created]
        return Reply(200, answer)

    async def _update_one(self, call: Call) -> Reply:
        base, table, writer, data, options = self._write(call)
        record = self._record(table, call)
        writer.update(record, data.get("fields"), replace=call.method == "PUT")
        writer.apply()
        return Reply(200, renderer(base, table, options, self.files, call.base_url)(record))

    async def _delete_many(self, call: Call) -> Reply:
        base, table = self._table(call, "data.records:write")
        ids = [value for name, value in call.query if name in ("records[]", "records")]
        if not 1 <= len(ids) <= MAX_BATCH or len(set(ids)) < len(ids):
            raise invalid_request(f"records must name 1 to {MAX_BATCH} records, each once")
        writer = Writer(base, table, self.files, self._now_ms())
        delete(base, table, [writer.existing(record_id) for record_id in ids], self._now_ms())
        return Reply(200, {"records": [{"id": record_id, "deleted": True} for record_id in ids]})

    async def _delete_one(self, call: Call) -> Reply:
        base, table = self._table(call, "data.records:write")
        record = self._record(table, call)
        delete(base, table, [record], self._now_ms())
        return Reply(200, {"id": record.id, "deleted": True})

    async def _upload(self, call: Call) -> Reply:
        """Plays https://content.airtable.com: the path has no table."""
        base = self._base(call, "data.records:write")
        table = next((t for t in base.tables.values() if call.args["record"] in t.records), None)
        if table is None:
            raise Refused(self.not_found(call))
        record, field = self._record(table, call), table.field(call.args["field"])
        if field is None:
            raise unknown_field(call.args["field"])
        if field.type != ATTACHMENTS:
            raise invalid_request("the field does not hold attachments")
        new = self.files.upload(field, self._json(call))
        set_cell(base, record, field, [*record.cells.get(field.id, []), new], self._now_ms())
        options = ListOptions(fields=[field.id], returnFieldsByFieldId=True)
        return Reply(200, renderer(base, table, options, self.files, call.base_url)(record))

    # -------------------------------------------------------------- meta API

    async def _whoami(self, call: Call) -> Reply:
        token = self._enter(call, None)
        return Reply(200, {"id": token.user_id, "scopes": token.scopes})

    async def _list_bases(self, call: Call) -> Reply:
        token = self._enter(call, "schema.bases:read")
        shown = [
            {"id": base.id, "name": base.name, "permissionLevel": "create"}
            for base in self.bases.values()
            if token.sees(base.id)
        ]
        return Reply(200, {"bases": shown})

    async def _create_base(self, call: Call) -> Reply:
        token = self._enter(call, "schema.bases:write")
        match self._json(call):
            case {"name": str(name), "workspaceId": str(), "tables": [_, *_] as tables} if name:
                base = Base(name)
            case _:
                raise invalid_request("name, workspaceId and at least one table are required")
        for table in tables:
            create_table(base, table)
        self.bases[base.id] = base
        if isinstance(token.bases, list):
            token.bases.append(base.id)
        return Reply(200, {"id": base.id, "tables": [t.describe() for t in base.tables.values()]})

    async def _list_tables(self, call: Call) -> Reply:
        base = self._base(call, "schema.bases:read")
        return Reply(200, {"tables": [table.describe() for table in base.tables.values()]})

    async def _create_table(self, call: Call) -> Reply:
        base = self._base(call, "schema.bases:write")
        return Reply(200, create_table(base, self._json(call)).describe())

    async def _update_table(self, call: Call) -> Reply:
        base, table = self._table(call, "schema.bases:write")
        rename_table(base, table, self._json(call))
        return Reply(200, table.describe())

    async def _create_field(self, call: Call) -> Reply:
        base, table = self._table(call, "schema.bases:write")
        return Reply(200, create_field(base, table, self._json(call)).describe())

    async def _update_field(self, call: Call) -> Reply:
        _, table = self._table(call, "schema.bases:write")
        field = table.fields.get(call.args["field"])
        if field is None:
            raise Refused(self.not_found(call))
        rename_field(table, field, self._json(call))
        return Reply(200, field.describe())

    # -------------------------------------------------------------- seed

    def seed(self, data: dict[str, Any]) -> None:
        """`{tokens: [{token, scopes?, bases?, source?}], bases: [{id?, name, tables}], monthly_calls_left?}`.

        A table is `{id?, name, fields, records?: [{id?, fields, createdTime?}]}`. Its fields are as in a
        create request, createdTime and lastModifiedTime included; `linkedTableId` may be a table's name; a
        cell of attachments is a list of `{filename, content_type, base64}`.
        """
        for token in data.get("tokens", []):
            self.gate.tokens[token["token"]] = Token(**token)
        if "monthly_calls_left" in data:
            self.world.switches["monthly_calls_left"] = str(data["monthly_calls_left"])
        try:
            for base in data.get("bases", []):
                self._seed_base(base)
        except Refused as error:
            raise ValueError(f"the seed is refused: {json.dumps(error.reply.body)}") from error

    def _seed_base(self, data: dict[str, Any]) -> None:
        base = Base(data["name"], **({"id": data["id"]} if "id" in data else {}))
        tables = [self._seed_table(base, table) for table in data.get("tables", [])]
        # Fields that point elsewhere come last: links at tables, lastModifiedTime at fields.
        for table, spec in zip(tables, data.get("tables", []), strict=True):
            for field in spec["fields"]:
                if field["type"] == LINKS:
                    linked = base.table(field["options"]["linkedTableId"])
                    if linked is None:
                        raise ValueError(
                            f"{field['name']}: there is no table {field['options']['linkedTableId']}"
                        )
                    create_field(base, table, field | {"options": {"linkedTableId": linked.id}})
        for table, spec in zip(tables, data.get("tables", []), strict=True):
            for field in spec["fields"]:
                if field["type"] in COMPUTED:
                    create_computed(table, field)
            table.arrange([field["name"] for field in spec["fields"]])
        pending = [
            (table, record, self._seed_record(table, record))
            for table, spec in zip(tables, data.get("tables", []), strict=True)
            for record in spec.get("records", [])
        ]
        for table, spec, record in pending:
            writer = Writer(base, table, self.files, record.created_ms)
            writer.update(record, self._with_files(table, spec.get("fields", {})), replace=False)
            writer.apply()
        self.bases[base.id] = base

    def _seed_table(self, base: Base, spec: dict[str, Any]) -> Table:
        first = [f for f in spec["fields"] if f["type"] not in (LINKS, *COMPUTED)]
        table = create_table(base, {"name": spec["name"], "fields": first})
        if "id" in spec:
            del base.tables[table.id]
            table.id = spec["id"]
            base.tables[table.id] = table
        return table

    def _seed_record(self, table: Table, spec: dict[str, Any]) -> Record:
        created = spec.get("createdTime")
        created_ms = int(datetime.fromisoformat(created).timestamp() * 1000) if created else self._now_ms()
        record = Record(created_ms, **({"id": spec["id"]} if "id" in spec else {}))
        table.records[record.id] = record
        return record

    def _with_files(self, table: Table, cells: dict[str, Any]) -> dict[str, Any]:
        def stored(item: dict[str, Any]) -> Attachment:
            return self.files.stored(item["filename"], item["content_type"], base64.b64decode(item["base64"]))

        return {
            name: [stored(item) for item in value]
            if (field := table.field(name)) and field.type == ATTACHMENTS
            else value
            for name, value in cells.items()
        }
