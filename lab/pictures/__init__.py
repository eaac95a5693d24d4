"""The README's figures, drawn from shipped functions and runs, and the page's data.

figures     the list of the README's figures; drawing them anew
policies clipping gradients credit diagrams language ladder carts   what is drawn
ablations   the grid of an ablation
runs        the training runs that several figures look at
explorer    the data of the page that trains
"""
