"""The appliance: what its boot makes of user-data, and what it tells about itself. Begin with `boot.py`.

May import `serve` and what is below it. How the image is built is in `install/image/`.
"""
