"""What server and client both write: v1 messages, and errors as gRPC codes."""
