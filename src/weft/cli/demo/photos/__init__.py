"""The demo's page of photos: they are dropped, received to the disk, and made small by a job each.

`jobs` is what is done with a photo, `shelf` what the page asks for, `keeper` the worker's process, and `folder` where
it all lies. The page itself is `page/photos.html`; each of the four applications has four short views for it.
"""
