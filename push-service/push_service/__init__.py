"""The push worker: notifications from `push.queue` to devices, over FCM HTTP v1."""
