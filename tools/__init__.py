"""Programs beside Logitscope that make what it ships. They use `engine`; nothing in Logitscope uses them."""
