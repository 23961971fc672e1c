"""Every option of a push message that a caller may set, except for a background message."""

from typing import Any

EVERYTHING: dict[str, Any] = {
    "data": {"order_id": "A-1"},
    "sound": "ding.caf",
    "badge": 3,
    "collapse_key": "order-A-1",
    "ttl_seconds": 600,
    "analytics_label": "orders~1",
    "android": {
        "channel_id": "orders",
        "click_action": "OPEN_ORDER",
        "icon": "bag",
        "color": "#a1B2c3",
        "visibility": "secret",
    },
    "apns": {
        "subtitle": "Sub",
        "category": "ORDER",
        "thread_id": "orders",
        "interruption_level": "time-sensitive",
        "relevance_score": 0.5,
        "mutable_content": True,
    },
    "web_push": {
        "actions": [
            {"action": "open", "title": "Open", "navigate": "https://a.example/1", "icon": "https://a.example/o.png"}
        ],
        "icon": "https://a.example/i.png",
        "require_interaction": True,
        "silent": False,
        "urgency": "low",
    },
}
