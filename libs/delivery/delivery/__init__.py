"""The worker engine that both channels share: consume → claim → send → record → report → acknowledge."""
