"""An image as a fit sees it: charge, film, likelihood, goodness of fit."""
