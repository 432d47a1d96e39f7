"""How a unary call is sent again: by gRPC itself, to every address of the name in turn.

On UNAVAILABLE alone, which is what a server that is away or going says. Retries spend a budget, so that clients do not
make an overload worse. A live sequence goes on elsewhere by other means, in `reconnect`.
"""

import json

from carousel.stubs.v1 import inference_pb2 as pb

_SERVICE_CONFIG = {
    "loadBalancingConfig": [{"round_robin": {}}],
    "healthCheckConfig": {"serviceName": ""},
    "methodConfig": [
        {
            "name": [{"service": pb.DESCRIPTOR.services_by_name["InferenceService"].full_name}],
            "retryPolicy": {
                "maxAttempts": 4,
                "initialBackoff": "0.05s",
                "maxBackoff": "1s",
                "backoffMultiplier": 2,
                "retryableStatusCodes": ["UNAVAILABLE"],
            },
        }
    ],
    "retryThrottling": {"maxTokens": 10, "tokenRatio": 0.1},
}

OPTIONS: tuple[tuple[str, object], ...] = (
    ("grpc.service_config", json.dumps(_SERVICE_CONFIG)),
    ("grpc.enable_retries", 1),
    ("grpc.max_send_message_length", -1),
    ("grpc.max_receive_message_length", -1),
)
"""The options of both clients' channels. No message is too large for a client: the server says what it takes."""
