"""A plant's server of OPC UA on this computer, in a thread of its own."""

import asyncio
import socket
import threading

from asyncua import Server, ua
from asyncua.crypto.permission_rules import User, UserRole

SPACE = "urn:plant"


class Users:
    """Lets in who has the password."""

    def get_user(self, _server, username=None, password=None, **_):
        return User(role=UserRole.User) if (username, password) == ("line", "right") else None


class Plant:
    """Nodes ns=2;s=Line1.NAME of the types that it is given, which clients may write."""

    def __init__(self, nodes, port=0, users=None):
        self._given, self._users, self.seen = nodes, users, []
        if not port:
            with socket.socket() as free:
                free.bind(("127.0.0.1", 0))
                port = free.getsockname()[1]
        self.port, self.url = port, f"opc.tcp://127.0.0.1:{port}"
        self._loop, self._ready = asyncio.new_event_loop(), threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        assert self._ready.wait(180)

    def read(self, name):
        return self._do(self._nodes[name].read_value())

    def write(self, name, value, kind=None):
        return self._do(self._nodes[name].write_value(value, kind or self._given[name]))

    def stop(self):
        self._loop.call_soon_threadsafe(self._end.set)
        self._thread.join(20)

    def datachange_notification(self, _node, value, _data):
        self.seen.append(value)

    def _do(self, work):
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(10)

    def _run(self):
        self._loop.run_until_complete(self._serve())

    async def _serve(self):
        self._end = asyncio.Event()
        server = Server(user_manager=self._users)
        await server.init()
        server.set_endpoint(self.url)
        server.set_security_policy([ua.SecurityPolicyType.NoSecurity])
        space = await server.register_namespace(SPACE)
        line = await server.nodes.objects.add_object(space, "Line1")
        self._nodes = {}
        for name, kind in self._given.items():
            start = "" if kind == ua.VariantType.String else False if kind == ua.VariantType.Boolean else 0
            id_ = f"ns={space};s=Line1.{name}"
            self._nodes[name] = await line.add_variable(id_, f"{space}:{name}", start, kind)
            await self._nodes[name].set_writable()
        async with server:
            if "Counter" in self._nodes:
                seeing = await server.create_subscription(10, self)
                await seeing.subscribe_data_change(self._nodes["Counter"], queuesize=1000)
            self._ready.set()
            await self._end.wait()
