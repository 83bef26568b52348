"""Scene encoder: image and LiDAR branches with fusion, auxiliary heads. Imports core and the files of networks itself."""
