"""The e-mail worker: notifications from `email.queue` to mailboxes, over SMTP."""
