"""From foreign payloads to the envelope: codecs (Avro, CloudEvents), then mappings. Native JSON needs neither."""

from streams.codec.mapping import Mapping, parse_mapping
from streams.codec.registry import MAPPINGS, mapping_named_or_file

__all__ = ["MAPPINGS", "Mapping", "mapping_named_or_file", "parse_mapping"]
