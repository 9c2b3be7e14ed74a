import documented


def test_the_documented_example_runs(server):
    documented.run_example(server)
