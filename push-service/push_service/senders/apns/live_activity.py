"""APNs' message to a Live Activity: it updates or ends what the activity's widget shows.

Source: developer.apple.com/documentation/activitykit,
starting-and-updating-live-activities-with-activitykit-push-notifications
"""

from datetime import datetime

from chassis.json_values import written
from contracts.overrides import LiveActivityOverrides, PushOverrides
from push_service.senders.overrides import Json, given
from templating import RenderedPush

PUSH_TYPE = "liveactivity"
TOPIC_SUFFIX = ".push-type.liveactivity"  # behind the app's bundle id


def live_activity_of(push: PushOverrides | None) -> LiveActivityOverrides | None:
    return None if push is None or push.apns is None else push.apns.live_activity


def live_activity_payload(activity: LiveActivityOverrides, push: PushOverrides, content: RenderedPush) -> bytes:
    """A widget gets nothing beside `aps`, so there is nothing of ours."""
    alert = given({"title": content.title or None, "body": content.body or None, "sound": push.sound})
    aps: Json = {
        "timestamp": _seconds(activity.timestamp),
        "event": activity.event,
        **given(
            {
                "content-state": activity.content_state,
                "stale-date": _seconds(activity.stale_date),
                "dismissal-date": _seconds(activity.dismissal_date),
                "relevance-score": activity.relevance_score,
                "alert": alert if activity.alert else None,
            }
        ),
    }
    return written({"aps": aps}).encode()


def _seconds(instant: datetime | None) -> int | None:
    return None if instant is None else int(instant.timestamp())
