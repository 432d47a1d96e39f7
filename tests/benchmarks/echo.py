"""An echo server: `python -m tests.benchmarks.echo transport`, over carousel.transport, or `aio`, over grpc.aio.

Prints its port, and on SIGTERM how many calls it answered.
"""

import asyncio
import gc
import signal
import sys

import grpc

from carousel import transport

METHOD = "/bench.Echo/Echo"


def by_transport() -> None:
    answered, over = 0, False

    def echo(call: transport.Call, message: bytes) -> None:
        nonlocal answered
        answered += 1
        call.reply(message)

    def end(*_: object) -> None:
        nonlocal over
        over = True

    server = transport.Server({METHOD: transport.Unary(echo)})
    _print(server.listen("127.0.0.1", 0))
    server.start()
    signal.signal(signal.SIGTERM, end)
    gc.collect()
    gc.freeze()
    while not over:
        server.poll(0.2)
        while server.poll(0):
            pass
        server.settle()
    server.close()
    _print(answered)


async def by_aio() -> None:
    answered = 0

    async def echo(message: bytes, _context: grpc.aio.ServicerContext) -> bytes:
        nonlocal answered
        answered += 1
        return message

    class Echo(grpc.GenericRpcHandler):
        def service(self, _details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler:
            return grpc.unary_unary_rpc_method_handler(echo)

    server = grpc.aio.server()
    server.add_generic_rpc_handlers((Echo(),))
    _print(server.add_insecure_port("127.0.0.1:0"))
    await server.start()
    over = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, over.set)
    await over.wait()
    await server.stop(0)
    _print(answered)


def _print(number: int) -> None:
    sys.stdout.write(f"{number}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    by_transport() if sys.argv[1] == "transport" else asyncio.run(by_aio())
