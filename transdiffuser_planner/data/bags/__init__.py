"""Reading and writing rosbag2. Imports core and messages; with messages the only folder that imports rosbags."""
