"""The lab: looks at the lesson, takes no part in it. Each folder is a room."""

import importlib


def doors(room, **modules):
    """A room's `__getattr__` (PEP 562), which imports a name's module when it is first asked for.

    room     the room's `__name__`
    modules  module="Name other_name": the names that others may use, and where they live;
             module="": the module itself
    """
    homes = {name: module for module, names in modules.items() for name in names.split()}
    homes |= {module: None for module, names in modules.items() if not names}

    def __getattr__(name):
        if name not in homes:
            raise AttributeError(f"{room} shows no {name}; it shows {', '.join(homes)}")
        if homes[name] is None:
            return importlib.import_module(f"{room}.{name}")
        return getattr(importlib.import_module(f"{room}.{homes[name]}"), name)

    return __getattr__
