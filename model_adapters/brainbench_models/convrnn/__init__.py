"""Task-driven convolutional recurrent networks, one layer per 10 ms (Nayebi et al. 2018).

`graph` declares a network, `networks` has the declarations by name, `cells` the recurrent cells; `unroll`
runs a graph over time by a `schedule`; `tensorflow` converts released weights; `models` makes BrainModels.
"""
