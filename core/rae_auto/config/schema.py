"""The JSON Schemas that come with rae-auto: of the configuration, and of what stores keep of jobs."""

from rae_auto.api.plugin import Kind, PluginSource
from rae_auto.api.trigger import ScheduleTrigger, SourceTrigger, Trigger
from rae_auto.config.schema_writer import Schema, SchemaWriter
from rae_auto.config.structure import variants_of
from rae_auto.config.tables import FileTable, JobTable
from rae_auto.errors import PluginError
from rae_auto.model.job import Job
from rae_auto.model.job_state import JobState
from rae_auto.model.plugin_ref import GuardRef, PluginRef, TriggerRef
from rae_auto.model.primitives.names import NAME, JobId
from rae_auto.model.run import Run

_DRAFT = "http://json-schema.org/draft-07/schema#"
_NAME: Schema = {"type": "string", "pattern": f"^{NAME.pattern}$"}
JOB_SCHEMA_VERSION = "1.0.0"


def config_schema(plugins: PluginSource) -> Schema:
    """Return the schema of a configuration file, with the options of all plugins that can be loaded."""
    writer = SchemaWriter(
        {PluginRef: _named(Kind.EXECUTOR), TriggerRef: _named(Kind.TRIGGER), GuardRef: _named(Kind.GUARD)}
    )
    schema = writer.object(FileTable)
    properties = schema["properties"]
    properties["store"]["allOf"] = [_named(Kind.STORE)]
    properties["loggers"]["items"] = _named(Kind.LOGGER)
    properties["notifiers"] |= _by_name(_named(Kind.NOTIFIER))
    properties["defaults"] = {"allOf": [writer.reference(JobTable)], "description": "what every job inherits"}
    properties["jobs"] = {**_by_name(writer.reference(JobTable)), "description": "the jobs, by name"}
    plugin_tables = {kind.value: _plugins(kind, plugins) for kind in Kind if kind is not Kind.COMMAND}
    return {
        "$schema": _DRAFT,
        "title": "Configuration of rae-auto",
        **schema,
        "description": "Jobs, why they run, and under which policies.",
        "definitions": {**writer.definitions, **plugin_tables},
    }


def job_schema() -> Schema:
    """Return the schema of a job's records in a store: its definition, its state, its runs."""
    writer = SchemaWriter({JobId: _NAME})
    kinds = (("configuration", Job), ("state", JobState), ("run", Run))
    definitions = {name: writer.object(kind) for name, kind in kinds}
    definitions["schedule"] = definitions["configuration"]["properties"]["schedule"]
    definitions["configuration"]["properties"]["schedule"] = {"$ref": "#/definitions/schedule"}
    definitions["configuration"]["required"] = ["id"]
    return {
        "$schema": _DRAFT,
        "$id": f"urn:rae-auto:schema:job:{JOB_SCHEMA_VERSION}",
        "title": "Job: configuration, schedule and execution state",
        "version": JOB_SCHEMA_VERSION,
        "anyOf": [{"$ref": f"#/definitions/{name}"} for name, _ in kinds],
        "definitions": {**definitions, **writer.definitions},
    }


def plugin_schemas(plugin_class: type) -> list[Schema]:
    """Return the schema of a plugin's options, or one for each of its variants."""
    inner = dict.fromkeys((Trigger, ScheduleTrigger, SourceTrigger), _named(Kind.TRIGGER))
    writer = SchemaWriter(inner)
    variants = variants_of(plugin_class)
    if variants is None:
        return [writer.object(plugin_class)]
    schemas = []
    for word, cls in variants.classes.items():
        schema = writer.object(cls)
        chosen = {"const": word, "description": variants.help}
        schema["properties"] = {variants.option: chosen, **schema["properties"]}
        schema["required"] = [variants.option, *schema.get("required", ())]
        schemas.append(schema)
    return schemas


def _named(kind: Kind) -> Schema:
    return {"$ref": f"#/definitions/{kind.value}"}


def _by_name(item: Schema) -> Schema:
    return {"type": "object", "patternProperties": {_NAME["pattern"]: item}, "additionalProperties": False}


def _plugins(kind: Kind, plugins: PluginSource) -> Schema:
    """Return the schema of a plugin of a kind: its name, or a table with its type and options."""
    tables, names = [], []
    for name in sorted(plugins.names(kind)):
        try:
            schemas = plugin_schemas(plugins.get(kind, name))
        except PluginError:
            # A plugin that can't be loaded here may be used elsewhere.
            schemas = [{"type": "object", "properties": {}}]
        own = {"id": _NAME} if kind in (Kind.TRIGGER, Kind.GUARD) else {}
        if any("required" not in schema for schema in schemas):
            names.append(name)
        for schema in schemas:
            properties = {"type": {"const": name}, **own, **schema["properties"]}
            tables.append({**schema, "properties": properties, "required": ["type", *schema.get("required", ())]})
    return {"oneOf": [*([{"enum": names}] if names else []), *tables]} if tables else {}
