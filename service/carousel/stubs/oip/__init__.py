"""The Open Inference Protocol, generated from protos/carousel/oip. Of `rpc.open_inference` alone."""
