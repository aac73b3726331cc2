"""What the pages share: router, queue to the engine, messages, widgets and figures."""
