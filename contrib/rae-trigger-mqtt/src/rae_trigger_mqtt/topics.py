"""Topic filters, as section 4.7 of MQTT 5.0 has them.

https://docs.oasis-open.org/mqtt/mqtt/v5.0/mqtt-v5.0.html
"""

from rae_auto.model.primitives.formatting import quote

MAX_TOPIC_BYTES = 65_535


def check_filter(topic: object) -> str:
    """Return a topic filter. Raises ValueError, with the remedy, for what no broker accepts."""
    if not isinstance(topic, str) or not topic:
        raise ValueError('must be a topic, as in "home/+/door"')
    if "\0" in topic or len(topic.encode(errors="surrogatepass")) > MAX_TOPIC_BYTES:
        raise ValueError(f"topic {quote(topic[:40])} is too long, or has a null character")
    *before, last = topic.split("/")
    for level in before:
        if "#" in level:
            raise ValueError(f'topic "{topic}": "#" must be the last level; write "{topic.partition("#")[0]}#"')
    for level in (*before, last):
        if level != "+" and "+" in level:
            raise ValueError(f'topic "{topic}": "+" must be a whole level, as in "home/+/door"')
    if last != "#" and "#" in last:
        raise ValueError(f'topic "{topic}": "#" must be a whole level, as in "home/#"')
    return topic
