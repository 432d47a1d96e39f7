"""The Open Inference Protocol, generated from protos/carousel/oip. Of `oip` and `rpc.open_inference`."""
