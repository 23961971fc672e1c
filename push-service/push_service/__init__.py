"""The push worker: notifications from its two queues to devices, over FCM HTTP v1."""
