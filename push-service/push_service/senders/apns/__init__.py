"""Apple Push Notification service: iPhones, iPads and Macs, without FCM in between."""
