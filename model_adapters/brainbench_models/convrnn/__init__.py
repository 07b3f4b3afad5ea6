"""Task-driven convolutional recurrent networks, one layer per 10 ms (Nayebi et al. 2018).

`graph` declares a network, `cells` holds the recurrent cells, `unroll` runs a declared graph over time;
`networks` are the declarations by name, `tensorflow` maps the released variables, `models` makes
BrainModels.
"""
