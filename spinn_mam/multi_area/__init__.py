"""Analysis of networks of many areas: by population and area, between areas, and of the structure that connects them."""
