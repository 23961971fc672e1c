"""The e-mail worker: notifications from its two queues to mailboxes, over SMTP."""
