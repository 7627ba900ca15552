"""Functions of decoder layers that keep less for the backward pass than those of upstream."""
