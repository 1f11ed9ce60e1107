"""How well a running VNF is, part by part: `state.py` the states, `vnfc.py` and `port.py` how a part is judged,
`running.py` all of them together, looked at a few times a second while packets move."""
