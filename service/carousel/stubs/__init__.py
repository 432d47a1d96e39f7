"""What protoc writes from protos/."""
