"""A rule that pilotd rejects, or a proxy refuses, leaves a test to say something about nothing."""


def none_in(mesh):
    """What an autouse fixture yields from."""
    before = len(mesh.pilotd.log())
    yield
    assert mesh.pilotd.rejected() == {}
    said = mesh.pilotd.log()[before:].splitlines()
    assert [line for line in said if "resources rejected" in line] == []
